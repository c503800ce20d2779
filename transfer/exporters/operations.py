"""TensorFlow's operations that compute with what they are given, and do nothing else.

An operation is here if it changes numbers, bytes, text, images, or what the process itself keeps in memory (variables, tables, lists),
or calls other functions of its graph. None reads or writes a file, starts a program, calls Python, speaks to another machine, prints,
or takes a path. What TensorFlow adds later is not here until it is added: an unknown operation is refused, not believed.
"""

_NAMES = """
# Values and shapes
  Assert BatchToSpace BatchToSpaceND Bitcast BroadcastArgs BroadcastGradientArgs BroadcastTo Cast CheckNumerics CheckNumericsV2
  Concat ConcatOffset ConcatV2 ConjugateTranspose Const DataFormatDimMap DataFormatVecPermute DeepCopy DenseToDenseSetOperation
  DenseToSparseSetOperation DepthToSpace Diag DiagPart DynamicPartition DynamicStitch EditDistance Empty EnsureShape ExpandDims
  ExtractImagePatches ExtractVolumePatches Fill Fingerprint Gather GatherNd GatherV2 GuaranteeConst HostConst Identity IdentityN
  InplaceAdd InplaceSub InplaceUpdate InvertPermutation LinSpace ListDiff LowerBound MatrixBandPart MatrixDiag MatrixDiagPart
  MatrixDiagPartV2 MatrixDiagPartV3 MatrixDiagV2 MatrixDiagV3 MatrixSetDiag MatrixSetDiagV2 MatrixSetDiagV3 MirrorPad MirrorPadGrad
  NoOp OneHot OnesLike Pack Pad PadV2 ParallelConcat ParallelDynamicStitch Placeholder PlaceholderV2 PlaceholderWithDefault
  PreventGradient Range Rank Reshape Reverse ReverseSequence ReverseV2 Roll ScatterNd ScatterNdNonAliasingAdd Select SelectV2
  SetSize Shape ShapeN Size Slice Snapshot SpaceToBatch SpaceToBatchND SpaceToDepth SparseToSparseSetOperation Split SplitV Squeeze
  StopGradient StridedSlice StridedSliceGrad TensorScatterAdd TensorScatterMax TensorScatterMin TensorScatterSub TensorScatterUpdate
  TensorStridedSliceUpdate Tile TileGrad Transpose Unique UniqueV2 UniqueWithCounts UniqueWithCountsV2 Unpack UnravelIndex
  UpperBound Where ZerosLike
# Arithmetic
  Abs AccumulateNV2 Acos Acosh Add AddN AddV2 All Angle Any ApproxTopK ApproximateEqual ArgMax ArgMin Asin Asinh Atan Atan2 Atanh
  BesselI0 BesselI0e BesselI1 BesselI1e BesselJ0 BesselJ1 BesselK0 BesselK0e BesselK1 BesselK1e BesselY0 BesselY1 Betainc Bincount
  BitwiseAnd BitwiseOr BitwiseXor Bucketize Ceil ClipByValue Complex ComplexAbs Conj Cos Cosh Cross Cumprod Cumsum
  CumulativeLogsumexp Dawsn DenseBincount Digamma Div DivNoNan Equal Erf Erfc Erfinv EuclideanNorm Exp Expint Expm1 Floor FloorDiv
  FloorMod FresnelCos FresnelSin Greater GreaterEqual HistogramFixedWidth Igamma IgammaGradA Igammac Imag InTopK InTopKV2 Inv
  InvGrad Invert IsFinite IsInf IsNan IsotonicRegression KthOrderStatistic L2Loss LeftShift Less LessEqual Lgamma Log Log1p
  LogicalAnd LogicalNot LogicalOr Max Maximum Mean Min Minimum Mod Mul MulNoNan Ndtri Neg NextAfter NotEqual NthElement Polygamma
  PopulationCount Pow Prod RaggedBincount RaggedRange Real RealDiv Reciprocal ReciprocalGrad RightShift Rint Round Rsqrt RsqrtGrad
  SegmentMax SegmentMaxV2 SegmentMean SegmentMin SegmentMinV2 SegmentProd SegmentProdV2 SegmentSum SegmentSumV2 Sign Sin Sinh Spence
  Sqrt SqrtGrad Square SquaredDifference Sub Sum Tan Tanh TanhGrad TopK TopKV2 TruncateDiv TruncateMod UnsortedSegmentJoin
  UnsortedSegmentMax UnsortedSegmentMin UnsortedSegmentProd UnsortedSegmentSum Xdivy Xlog1py Xlogy Zeta
# Linear algebra and Fourier
  BandedTriangularSolve BatchMatMul BatchMatMulV2 BatchMatMulV3 Cholesky CholeskyGrad Eig Einsum FFT FFT2D FFT3D FFTND IFFT IFFT2D
  IFFT3D IFFTND IRFFT IRFFT2D IRFFT3D IRFFTND LogMatrixDeterminant Lu MatMul MatrixDeterminant MatrixExponential MatrixInverse
  MatrixLogarithm MatrixSolve MatrixSolveLs MatrixSquareRoot MatrixTriangularSolve Qr RFFT RFFT2D RFFT3D RFFTND SelfAdjointEig
  SelfAdjointEigV2 Svd TridiagonalMatMul TridiagonalSolve
# Networks
  AvgPool AvgPool3D AvgPool3DGrad AvgPoolGrad BatchNormWithGlobalNormalization BatchNormWithGlobalNormalizationGrad BiasAdd
  BiasAddGrad BiasAddV1 BlockLSTM BlockLSTMV2 Conv Conv2D Conv2DBackpropFilter Conv2DBackpropFilterV2 Conv2DBackpropInput
  Conv2DBackpropInputV2 Conv3D Conv3DBackpropFilter Conv3DBackpropFilterV2 Conv3DBackpropInput Conv3DBackpropInputV2
  DepthwiseConv2dNative DepthwiseConv2dNativeBackpropFilter DepthwiseConv2dNativeBackpropInput Dilation2D Dilation2DBackpropFilter
  Dilation2DBackpropInput Elu EluGrad FractionalAvgPool FractionalAvgPoolGrad FractionalMaxPool FractionalMaxPoolGrad FusedBatchNorm
  FusedBatchNormGrad FusedBatchNormGradV2 FusedBatchNormGradV3 FusedBatchNormV2 FusedBatchNormV3 FusedPadConv2D
  FusedResizeAndPadConv2D GRUBlockCell LRN LRNGrad LSTMBlockCell LeakyRelu LeakyReluGrad LogSoftmax MaxPool MaxPool3D MaxPool3DGrad
  MaxPool3DGradGrad MaxPoolGrad MaxPoolGradGrad MaxPoolGradGradV2 MaxPoolGradGradWithArgmax MaxPoolGradV2 MaxPoolGradWithArgmax
  MaxPoolV2 MaxPoolWithArgmax Relu Relu6 Relu6Grad ReluGrad Selu SeluGrad Sigmoid SigmoidGrad Softmax SoftmaxCrossEntropyWithLogits
  Softplus SoftplusGrad Softsign SoftsignGrad SparseSoftmaxCrossEntropyWithLogits
# Quantization
  Dequantize FakeQuantWithMinMaxArgs FakeQuantWithMinMaxArgsGradient FakeQuantWithMinMaxVars FakeQuantWithMinMaxVarsGradient
  FakeQuantWithMinMaxVarsPerChannel FakeQuantWithMinMaxVarsPerChannelGradient QuantizeAndDequantize QuantizeAndDequantizeV2
  QuantizeAndDequantizeV3 QuantizeAndDequantizeV4 QuantizeV2 UniformDequantize UniformQuantize UniformQuantizedAdd
  UniformQuantizedClipByValue UniformQuantizedConvolution UniformQuantizedConvolutionHybrid UniformQuantizedDot
  UniformQuantizedDotHybrid UniformRequantize
# Images
  AdjustContrast AdjustContrastv2 AdjustHue AdjustSaturation CombinedNonMaxSuppression CropAndResize CropAndResizeGradBoxes
  CropAndResizeGradImage DecodeAndCropJpeg DecodeBmp DecodeGif DecodeImage DecodeJpeg DecodeJxl DecodePng DecodeWebP
  DrawBoundingBoxes DrawBoundingBoxesV2 EncodeJpeg EncodeJpegVariableQuality EncodePng ExtractGlimpse ExtractGlimpseV2
  ExtractJpegShape GenerateBoundingBoxProposals HSVToRGB ImageProjectiveTransformV2 ImageProjectiveTransformV3 NonMaxSuppression
  NonMaxSuppressionV2 NonMaxSuppressionV3 NonMaxSuppressionV4 NonMaxSuppressionV5 NonMaxSuppressionWithOverlaps
  QuantizedResizeBilinear RGBToHSV ResizeArea ResizeBicubic ResizeBicubicGrad ResizeBilinear ResizeBilinearGrad
  ResizeNearestNeighbor ResizeNearestNeighborGrad SampleDistortedBoundingBox SampleDistortedBoundingBoxV2 ScaleAndTranslate
  ScaleAndTranslateGrad StatelessSampleDistortedBoundingBox
# Bytes and text
  AsString DecodeBase64 DecodeCompressed DecodePaddedRaw DecodeRaw EncodeBase64 ParseExample ParseExampleV2 ParseSingleExample
  ReduceJoin RegexFullMatch RegexReplace ShardedFilename StaticRegexFullMatch StaticRegexReplace StringFormat StringJoin
  StringLength StringLower StringNGrams StringSplit StringSplitV2 StringStrip StringToHashBucket StringToHashBucketFast
  StringToHashBucketStrong StringToNumber StringUpper Substr UnicodeDecode UnicodeDecodeWithOffsets UnicodeEncode UnicodeScript
  UnicodeTranscode
# Random numbers
  Multinomial ParameterizedTruncatedNormal RandomGamma RandomGammaGrad RandomPoisson RandomPoissonV2 RandomShuffle
  RandomStandardNormal RandomUniform RandomUniformInt RngReadAndSkip RngSkip StatefulRandomBinomial StatefulStandardNormalV2
  StatefulTruncatedNormal StatefulUniform StatefulUniformFullInt StatefulUniformInt StatelessMultinomial
  StatelessParameterizedTruncatedNormal StatelessRandomBinomial StatelessRandomGammaV2 StatelessRandomGammaV3 StatelessRandomGetAlg
  StatelessRandomGetKeyCounter StatelessRandomGetKeyCounterAlg StatelessRandomNormal StatelessRandomNormalV2 StatelessRandomPoisson
  StatelessRandomUniform StatelessRandomUniformFullInt StatelessRandomUniformFullIntV2 StatelessRandomUniformInt
  StatelessRandomUniformIntV2 StatelessRandomUniformV2 StatelessShuffle StatelessTruncatedNormal StatelessTruncatedNormalV2
  TruncatedNormal
# Sparse and ragged tensors
  RaggedCross RaggedFillEmptyRows RaggedGather RaggedTensorFromVariant RaggedTensorToSparse RaggedTensorToTensor
  RaggedTensorToVariant SparseAdd SparseConcat SparseDenseCwiseAdd SparseDenseCwiseDiv SparseDenseCwiseMul SparseFillEmptyRows
  SparseMatMul SparseReduceMax SparseReduceSum SparseReorder SparseReshape SparseSegmentMean SparseSegmentSqrtN SparseSegmentSum
  SparseSlice SparseSoftmax SparseSplit SparseTensorDenseAdd SparseTensorDenseMatMul SparseToDense
# Control flow and functions
  Case ControlTrigger DeviceIndex EmptyTensorList Enter Exit FakeParam For If LoopCond MapDefun Merge NextIteration PartitionedCall
  RefEnter RefExit RefIdentity RefMerge RefNextIteration RefSwitch StatefulPartitionedCall StatelessCase StatelessIf StatelessWhile
  Switch SymbolicGradient TensorArrayCloseV3 TensorArrayConcatV3 TensorArrayGatherV3 TensorArrayGradV3 TensorArrayReadV3
  TensorArrayScatterV3 TensorArraySizeV3 TensorArraySplitV3 TensorArrayV3 TensorArrayWriteV3 TensorListConcat TensorListConcatLists
  TensorListConcatV2 TensorListElementShape TensorListFromTensor TensorListGather TensorListGetItem TensorListLength
  TensorListPopBack TensorListPushBack TensorListPushBackBatch TensorListReserve TensorListResize TensorListScatter
  TensorListScatterIntoExistingList TensorListScatterV2 TensorListSetItem TensorListSplit TensorListStack ToBool While
# Variables and tables in memory
  AnonymousHashTable AnonymousMutableHashTable AssignAddVariableOp AssignSubVariableOp AssignVariableOp DestroyResourceOp
  DisableCopyOnRead HashTableV2 InitializeTableV2 LookupTableExportV2 LookupTableFindV2 LookupTableImportV2 LookupTableInsertV2
  LookupTableRemoveV2 LookupTableSizeV2 MutableHashTableV2 ReadVariableOp ResourceGather ResourceGatherNd ResourceScatterAdd
  ResourceScatterDiv ResourceScatterMax ResourceScatterMin ResourceScatterMul ResourceScatterNdAdd ResourceScatterNdMax
  ResourceScatterNdMin ResourceScatterNdSub ResourceScatterNdUpdate ResourceScatterSub ResourceScatterUpdate
  ResourceStridedSliceAssign VarHandleOp VarIsInitializedOp VariableShape
"""

COMPUTING = frozenset(name for line in _NAMES.splitlines() if not line.startswith("#") for name in line.split())
"""Names of operations, as in a graph."""
